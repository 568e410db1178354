;; `cabi_realloc` grows memory by a MiB for each block. Stopped by `memory-bytes`.
(func $realloc (param i32 i32 i32 i32) (result i32)
  (i32.mul (memory.grow (i32.const 16)) (i32.const 65536)))
(func $configure (param i32 i32) (result i32)
  (drop (memory.grow (i32.const 238)))
  (i32.const 0))
