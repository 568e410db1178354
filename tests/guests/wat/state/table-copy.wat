;; A decision leaves a function in a table by `table.copy`. Stopped when it is loaded: the snapshot refuses the
;; instruction.
(table $table 4 8 funcref)
(func $f)
(elem declare func $f)
(elem $functions func $f)
(elem (table $table) (i32.const 0) func $f)
(func $evaluate (result i32)
  (if (i32.eqz (ref.is_null (table.get $table (i32.const 1)))) (then (return (global.get $stale))))
  (table.copy $table $table (i32.const 1) (i32.const 0) (i32.const 1))
  (global.get $clean))
