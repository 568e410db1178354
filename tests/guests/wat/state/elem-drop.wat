;; A decision drops an element segment, so that the next use of it traps. Stopped when it is loaded: the snapshot
;; refuses the instruction.
(table $table 4 8 funcref)
(func $f)
(elem declare func $f)
(elem $functions func $f)
(func $evaluate (result i32)
  (if (i32.eqz (i32.const 1)) (then (return (global.get $stale))))
  (table.init $table $functions (i32.const 0) (i32.const 0) (i32.const 1)) (elem.drop $functions)
  (global.get $clean))
