;; A loop that continues through `br_table`. Stopped by `deadline`.
(global $n (mut i32) (i32.const 0))
(func $evaluate (result i32)
  (loop $forever
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (br_table $forever $forever $forever (global.get $n))
    (br $forever))
  (global.get $clean))
