;; A storm of `table.copy` over the largest table. Stopped when it is loaded: the snapshot refuses the instruction.
(table $table 4096 funcref)
(func $evaluate (result i32)
  (loop $forever
    (table.copy $table $table (i32.const 0) (i32.const 2048) (i32.const 2048))
    (br $forever))
  (global.get $clean))
