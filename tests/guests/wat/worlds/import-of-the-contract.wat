;; It imports the interface that it should export. Stopped when it is loaded: a plugin imports nothing.
(component (import "portcullis:policy/types@0.2.0" (instance)))
