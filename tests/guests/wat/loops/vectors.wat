;; A storm of vector instructions. Stopped by `deadline`.
(global $v (mut v128) (v128.const i64x2 1 3))
(func $evaluate (result i32)
  (loop $forever
    (global.set $v (f64x2.sqrt (f64x2.div (global.get $v) (f64x2.splat (f64.const 3)))))
    (br $forever))
  (global.get $clean))
