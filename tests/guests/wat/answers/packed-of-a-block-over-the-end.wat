;; The answer lies over the end of memory. Stopped by the bounds of an answer.
(data (i32.const 2048) "\fa\ff\01\00\07\00\00\00")
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (i32.const 2048))
