;; The message of a reason is not UTF-8 (cut). Stopped by the rules of a verdict.
(data (i32.const 2048) "\00\10\00\00\0c\00\00\00")
(data (i32.const 4096) "\01\01\01\61\02\e2\82\00\00\00\00\00")
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (i32.const 2048))
