//! The web console: what people see in a browser, over the two HTTP APIs.
//!
//! May depend on: `api`, `runtime`.
//!
//! Architecture invariant: the console keeps nothing and knows no way around the gate. It has no
//! database and no session store: its cookie carries the person's own session credential, which it
//! sends to the APIs as any client would, and what they refuse is refused.
//!
//! # The map
//!
//! - [`Console`]: what `serve` and `dev` start; [`Config`] says where the APIs are.
//! - `client`: calls of the APIs, as one person, with a deadline.
//! - `visit`: one request of a browser: who is signed in, and the calls made for them.
//! - `form`: bodies of posts, and the token without which none is taken.
//! - `edit`: of a form that changes something, what was changed, by whom, and whether that goes together.
//! - `page`: the frame around every page, and what is shown when something fails.
//! - `text`, `chart`: instants, numbers and pictures as people read them.
//! - `routes`: the pages, one file each, beside their templates.

mod app;
mod assets;
mod chart;
mod client;
mod config;
mod cookies;
mod edit;
mod form;
mod page;
mod protect;
mod routes;
mod service;
mod text;
mod visit;

pub use self::config::{Config, SignInConfig};
pub use self::service::{Console, ConsoleError, Parts, has};
