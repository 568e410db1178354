;; A storm of `table.init`. Stopped when it is loaded: the snapshot refuses the instruction.
(table $table 4096 funcref)
(func $f)
(elem $functions func $f $f $f $f)
(func $evaluate (result i32)
  (loop $forever
    (table.init $table $functions (i32.const 0) (i32.const 0) (i32.const 4))
    (br $forever))
  (global.get $clean))
