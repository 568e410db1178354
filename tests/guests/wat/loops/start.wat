;; The start function never ends. Stopped by `configure-deadline`.
(func $start (loop $forever (br $forever)))
(start $start)
