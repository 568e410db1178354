;; Memory grows to 4 GiB at once. Stopped by `memory-bytes`.
(func $evaluate (result i32)
  (drop (memory.grow (i32.const 65534)))
  (global.get $clean))
