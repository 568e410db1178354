//! Signals of the system.

use crate::server::Control;

/// Completes when the process is told to stop: SIGTERM or SIGINT, or Ctrl-C.
pub async fn stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut term), Ok(mut interrupt)) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        ) {
            tokio::select! {
                _ = term.recv() => return,
                _ = interrupt.recv() => return,
            }
        }
    }
    // Without a handler, the signal ends the process.
    let _ = tokio::signal::ctrl_c().await;
}

/// Reloads at each SIGHUP, and shows the result with `say`. Never completes.
pub async fn reload_on_hangup(control: Control, say: impl Fn(&str)) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut hangup) = signal(SignalKind::hangup()) {
            while hangup.recv().await.is_some() {
                match control.reload().await {
                    Ok(notices) => {
                        say("the configuration is reloaded");
                        notices.iter().for_each(|notice| say(notice));
                    }
                    Err(problems) => {
                        problems.iter().for_each(|problem| say(problem));
                        say("the configuration is not reloaded: the one before stays in force");
                    }
                }
            }
        }
    }
    let _ = (control, say);
    std::future::pending::<()>().await;
}
