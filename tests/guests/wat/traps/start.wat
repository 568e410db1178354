;; The start function traps. Stopped when it is loaded.
(func $start (unreachable))
(start $start)
