;; A decision leaves a mark in a global that the module exports. Stopped by the fresh or reset instance of each
;; decision.
(global $mark (export "mark") (mut i32) (i32.const 0))
(func $evaluate (result i32)
  (if (global.get $mark) (then (return (global.get $stale))))
  (global.set $mark (i32.const 1))
  (global.get $clean))
