;; The start function grows memory to 1 GiB. Stopped by `memory-bytes`.
(func $start (drop (memory.grow (i32.const 16384))))
(start $start)
