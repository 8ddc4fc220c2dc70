"""Worker processes that are lost one at a time.

A pool with a shared queue breaks as a whole when a worker dies, and cannot say
which task that worker had.  So each worker is a process with a pipe of its own: a
task is written when its worker is free, and a pipe that ends takes one task with
it.  loky starts the processes: they need no ``__main__`` guard and start safely
beside threads::

    the driver                                          a worker process
    ----------                                          ----------------
    ProcessPool (pool), one a run                       serve (serve)
        next_task() -> waiting                              STATE, LOAD: unpickle the callable
        Worker (worker), one a process                      RUN:  call(task)
            connection  <=== messages, both ways ===>       connection
            driver_end  ---- nothing, ever --------->       lifeline: ends with the driver
            crash       <--- what faulthandler writes --    crash
                                                            CellClock: time that counts for
                                                            no cell (imports, suspension)
                                                            Usage (limits): RETIRES, before its
                                                            last answer, if there is a limit
    Reserve (reserve), one a process
        idle workers, for the next run that would start them the same (surroundings)

Messages (``messages``) are pickles; arrays of 16 kB and more travel beside them,
uncopied.  A worker takes over what cells of the program would see in it
(``worker/driver_state``, ``worker/interpreter_flags``), and sends what they log at once.
One that is told to forget its callable puts back what they changed in its process
(``kept_state``).  One that has come to a limit of cells or memory (``limits``) says so with
its last answer and is ended; its place takes a worker that was started ahead.  What only
Linux has is in ``linux``.
"""
