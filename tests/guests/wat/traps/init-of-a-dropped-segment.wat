;; It initialises memory from a segment that it dropped. Stopped when it is loaded: the snapshot refuses the
;; instruction.
(data $d "bytes")
(func $evaluate (result i32)
  (data.drop $d) (memory.init $d (i32.const 2048) (i32.const 0) (i32.const 1))
  (global.get $clean))
