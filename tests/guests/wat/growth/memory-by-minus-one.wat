;; Memory grows by 2^32 - 1 pages, which is beyond every memory. Stopped by `memory-bytes`.
(func $evaluate (result i32)
  (if (i32.ne (memory.grow (i32.const -1)) (i32.const -1)) (then (return (global.get $stale))))
  (global.get $clean))
