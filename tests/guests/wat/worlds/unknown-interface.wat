;; It imports an unknown interface. Stopped when it is loaded: a plugin imports nothing.
(component (import "evil:corp/exfiltrate@6.6.6" (instance)))
