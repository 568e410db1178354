;; Memory grows beyond the maximum that it declares: the engine answers -1.
(memory $memory 2 8)
(func $evaluate (result i32)
  (if (i32.ne (memory.grow (i32.const 7)) (i32.const -1)) (then (return (global.get $stale))))
  (global.get $clean))
