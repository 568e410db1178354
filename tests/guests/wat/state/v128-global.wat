;; A decision leaves a mark in a global of type `v128`. Stopped when it is loaded: the snapshot refuses the instruction.
(global $mark (mut v128) (v128.const i64x2 0 0))
(func $evaluate (result i32)
  (if (v128.any_true (global.get $mark)) (then (return (global.get $stale))))
  (global.set $mark (v128.const i64x2 0 1))
  (global.get $clean))
