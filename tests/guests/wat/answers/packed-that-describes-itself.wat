;; The answer is its own address and length. Stopped by the rules of a verdict.
(data (i32.const 2048) "\00\08\00\00\08\00\00\00")
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (i32.const 2048))
