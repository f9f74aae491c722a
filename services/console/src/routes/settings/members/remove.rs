//! `/settings/members/{id}/remove`: somebody belongs to the org no more, after what becomes of their keys
//! is told.

use api::v1::{Member, MemberRemoved};
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use uuid::Uuid;

use super::departure::{self, Departure};
use crate::form::{Fields, SignedForm};
use crate::page::{Errors, Framed, Nav, Notice, Problem, Shell, refused, render, tell};
use crate::routes::id::Id;
use crate::routes::people::{People, name_of};
use crate::text::filters;
use crate::visit::{Signed, Visit, Who, see_other};

#[derive(Template)]
#[template(path = "settings/members/remove.html")]
struct RemovePage {
    shell: Shell,
    errors: Errors,
    id: Uuid,
    name: String,
    member: Member,
    departure: Departure,
}

impl Framed for RemovePage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed, Id(id): Id) -> Result<Response, Problem> {
    let (who, people) = tokio::try_join!(visit.who(), People::of(&visit))?;
    if who.session.user.id.as_uuid() == id {
        return Ok(see_other(&visit, "/settings/members/self/leave"));
    }
    let Some(member) = people.find(id) else {
        return Err(Problem::not_found(&visit));
    };
    let (fields, errors) = (Fields::default(), Errors::default());
    let page = page(&visit, who, member, &people, &fields, errors).await?;
    Ok(render(StatusCode::OK, &page))
}

pub(super) async fn remove(Id(id): Id, form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let (who, people) = tokio::try_join!(visit.who(), People::of(&visit))?;
    let member = people.find(id);
    let removal = departure::removal(id, &fields);
    match (visit.delete::<MemberRemoved>(removal).await, member) {
        (Ok(removed), member) => {
            let mut visit = visit.seen(&removed);
            let name = member.map_or_else(|| "The person".to_owned(), name_of);
            let MemberRemoved { receipt, keys } = removed.data;
            let keys = departure::became(&keys, &people, &fields);
            let text = format!("{name} was removed. Their sessions are refused everywhere.{keys}");
            visit.jar = tell(visit.jar, &Notice::with(text, Some(&receipt)));
            Ok(see_other(&visit, "/settings/members"))
        }
        (Err(problem), Some(member)) => {
            let Some(refusal) = problem.refusal() else {
                return Err(problem);
            };
            let name = name_of(member);
            let errors = departure::errors_of(refusal, &format!("{name} is"));
            match page(&visit, who, member, &people, &fields, errors).await {
                Ok(page) => Ok(refused(refusal, &page)),
                Err(_) => Err(problem),
            }
        }
        (Err(problem), None) => Err(problem),
    }
}

async fn page(
    visit: &Visit,
    who: Who,
    member: &Member,
    people: &People,
    fields: &Fields,
    errors: Errors,
) -> Result<RemovePage, Problem> {
    // The API refuses the list to whoever may not remove anybody.
    let departure = Departure::of(visit, member, people, true, fields).await?;
    let name = name_of(member);
    Ok(RemovePage {
        shell: Shell::signed(visit, who, Nav::Members, format!("Remove {name}")),
        errors,
        id: member.user_id.as_uuid(),
        name,
        member: member.clone(),
        departure,
    })
}
