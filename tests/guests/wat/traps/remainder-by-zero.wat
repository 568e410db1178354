;; It takes the remainder of a division by zero. Stopped by a trap.
(func $evaluate (result i32)
  (drop (i32.rem_u (i32.const 1) (i32.load (i32.const 2048))))
  (global.get $clean))
