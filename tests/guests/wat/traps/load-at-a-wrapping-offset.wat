;; It reads at an address and an offset whose sum is beyond 2^32. Stopped by a trap.
(func $evaluate (result i32)
  (drop (i32.load offset=4294967295 (i32.const 2048)))
  (global.get $clean))
