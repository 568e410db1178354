;; A storm of vector instructions. Stopped by `deadline`.
(func $evaluate (result i32)
  (loop $forever
    (v128.store (i32.const 2048) (f64x2.sqrt (f64x2.div (v128.load (i32.const 2048)) (f64x2.splat (f64.const 3)))))
    (br $forever))
  (global.get $clean))
