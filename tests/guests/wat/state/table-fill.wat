;; A decision leaves functions in a table by `table.fill`. Stopped when it is loaded: the snapshot refuses the
;; instruction.
(table $table 4 8 funcref)
(func $f)
(elem declare func $f)
(elem $functions func $f)
(func $evaluate (result i32)
  (if (i32.eqz (ref.is_null (table.get $table (i32.const 0)))) (then (return (global.get $stale))))
  (table.fill $table (i32.const 0) (ref.func $f) (i32.const 4))
  (global.get $clean))
