;; Memory grows page by page without end. Stopped by `memory-bytes`.
(func $evaluate (result i32)
  (loop $more
    (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
  (global.get $clean))
