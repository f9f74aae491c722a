//! What needs more than one service, or the whole checkout.

mod archived;
mod contract;
mod dev;
mod doctor;
mod examples;
mod figures;
mod operator;
mod people;
mod processes;
mod restored;
mod serve;
mod story;
mod tidy;
