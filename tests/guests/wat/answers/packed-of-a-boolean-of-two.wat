;; The verdict has a boolean that is neither true nor false. Stopped by the rules of a verdict.
(data (i32.const 2048) "\00\10\00\00\06\00\00\00")
(data (i32.const 4096) "\01\00\00\00\00\02")
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (i32.const 2048))
