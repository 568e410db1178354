;; A number in the verdict is written in more bytes than it needs, which is allowed.
(data (i32.const 2048) "\00\10\00\00\08\00\00\00")
(data (i32.const 4096) "\81\80\00\00\00\00\00\00")
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (i32.const 2048))
