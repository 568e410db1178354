;; A decision leaves a mark in the size of a table. Stopped when it is loaded: the snapshot refuses the instruction.
(table $table 4 8 funcref)
(func $f)
(elem declare func $f)
(elem $functions func $f)
(func $evaluate (result i32)
  (if (i32.gt_u (table.size $table) (i32.const 4)) (then (return (global.get $stale))))
  (drop (table.grow $table (ref.null func) (i32.const 1)))
  (global.get $clean))
