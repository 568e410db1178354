;; The answer is empty and lies beyond memory. Stopped by the bounds of an answer.
(data (i32.const 2048) "\ff\ff\ff\ff\00\00\00\00")
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (i32.const 2048))
