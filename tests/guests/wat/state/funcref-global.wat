;; A decision leaves a mark in a global that holds a function. Stopped when it is loaded: the snapshot refuses the
;; instruction.
(global $mark (mut funcref) (ref.null func))
(func $f)
(elem declare func $f)
(func $evaluate (result i32)
  (if (i32.eqz (ref.is_null (global.get $mark))) (then (return (global.get $stale))))
  (global.set $mark (ref.func $f))
  (global.get $clean))
