;; An active element segment lies beyond its table. Stopped when it is loaded.
(table 1 funcref)
(func $f)
(elem (i32.const 1) $f)
