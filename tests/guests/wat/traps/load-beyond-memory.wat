;; It reads beyond its memory. Stopped by a trap.
(func $evaluate (result i32)
  (drop (i32.load (i32.const 131069)))
  (global.get $clean))
