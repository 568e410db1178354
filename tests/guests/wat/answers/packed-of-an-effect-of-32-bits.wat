;; The number of the effect has 32 bits. Stopped by the rules of a verdict.
(data (i32.const 2048) "\00\10\00\00\0a\00\00\00")
(data (i32.const 4096) "\ff\ff\ff\ff\0f\00\00\00\00\00")
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (i32.const 2048))
