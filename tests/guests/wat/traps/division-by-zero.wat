;; It divides by zero. Stopped by a trap.
(func $evaluate (result i32)
  (drop (i32.div_s (i32.const 1) (i32.load (i32.const 2048))))
  (global.get $clean))
