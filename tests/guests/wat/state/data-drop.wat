;; A decision drops a data segment, so that the next use of it traps. Stopped when it is loaded: the snapshot refuses
;; the instruction.
(data $bytes "bytes")
(func $evaluate (result i32)
  (if (i32.eqz (i32.const 1)) (then (return (global.get $stale))))
  (memory.init $bytes (i32.const 2048) (i32.const 0) (i32.const 1)) (data.drop $bytes)
  (global.get $clean))
