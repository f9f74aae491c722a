//! What needs more than one service, or the whole checkout.

mod archived;
mod console;
mod contract;
mod dev;
mod doctor;
mod erased;
mod erased_archived;
mod erased_restored;
mod examples;
mod figures;
mod operator;
mod people;
mod processes;
mod projections;
mod provider_sign_in;
mod replayed;
mod restored;
mod serve;
mod story;
mod tidy;
mod verify;
