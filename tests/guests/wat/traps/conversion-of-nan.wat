;; It converts NaN to an integer. Stopped by a trap.
(func $evaluate (result i32)
  (drop (i32.trunc_f32_s (f32.const nan)))
  (global.get $clean))
