;; A decision leaves a mark in a global of type `f32`. Stopped by the fresh or reset instance of each decision.
(global $mark (mut f32) (f32.const 0))
(func $evaluate (result i32)
  (if (f32.ne (global.get $mark) (f32.const 0)) (then (return (global.get $stale))))
  (global.set $mark (f32.const -1.5))
  (global.get $clean))
