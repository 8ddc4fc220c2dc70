"""Progress, as it is shown."""

from crystallize import Experiment


def test_progress_is_shown_on_standard_error(capsys):
    def trial(replicate):
        return 1 / replicate

    Experiment(trial, replicates=5, progress=True, name="bars").run()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "bars" in shown.err
    assert "5/5" in shown.err
    assert "failed=1" in shown.err
