;; An active data segment lies beyond memory. Stopped when it is loaded.
(data (i32.const 131070) "bytes")
