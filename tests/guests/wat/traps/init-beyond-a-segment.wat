;; It initialises memory with more than a segment has. Stopped by a trap.
(data $d "bytes")
(func $evaluate (result i32)
  (memory.init $d (i32.const 2048) (i32.const 0) (i32.const 6))
  (global.get $clean))
