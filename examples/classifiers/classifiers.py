"""One random split of the breast cancer data, one classifier."""

from functools import cache

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


@cache
def data():
    return load_breast_cancer(return_X_y=True)


def classifier(model, random_state):
    if model == "logistic":
        return make_pipeline(StandardScaler(), LogisticRegression())
    if model == "forest":
        return RandomForestClassifier(n_estimators=25, random_state=random_state)
    raise ValueError(f"There is no model {model!r}; there are 'logistic' and 'forest'.")


def trial(seed, model):
    random_state = seed % 2**32  # scikit-learn takes 32 bits
    x, y = data()
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.3, stratify=y, random_state=random_state
    )
    fitted = classifier(model, random_state).fit(x_train, y_train)
    return {
        "accuracy": accuracy_score(y_test, fitted.predict(x_test)),
        "auc": roc_auc_score(y_test, fitted.predict_proba(x_test)[:, 1]),
    }
