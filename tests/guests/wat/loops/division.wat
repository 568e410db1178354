;; A storm of the slowest scalar instructions. Stopped by `deadline`.
(global $n (mut i64) (i64.const -1))
(func $evaluate (result i32)
  (loop $forever
    (global.set $n (i64.sub (i64.rem_u (global.get $n) (i64.const 7)) (i64.const 1)))
    (br $forever))
  (global.get $clean))
