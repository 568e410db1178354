;; A function calls itself through a table. Stopped by the stack limit of the engine.
(type $step (func (param i32) (result i32)))
(table $table 1 funcref)
(elem (i32.const 0) $recurse)
(func $recurse (type $step)
  (i32.add (call_indirect $table (type $step) (local.get 0) (i32.const 0)) (local.get 0)))
(func $evaluate (result i32)
  (drop (call $recurse (i32.const 0)))
  (global.get $clean))
