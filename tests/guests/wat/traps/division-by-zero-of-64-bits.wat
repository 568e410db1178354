;; It divides 64 bits by zero. Stopped by a trap.
(func $evaluate (result i32)
  (drop (i64.div_u (i64.const 1) (i64.load (i32.const 2048))))
  (global.get $clean))
