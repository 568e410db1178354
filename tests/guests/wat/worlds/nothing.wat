;; It exports nothing. Stopped when it is loaded: it lacks the exports of the contract.
(component)
