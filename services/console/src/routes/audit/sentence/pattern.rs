//! A sentence for every type of event. Slots stand in braces: `{actor}`, `{subject}` and `{changes}`, or a
//! field of the event's data, with the form in which it is told behind a colon.

use api::v1::AuditEvent;
use serde_json::Value;

use super::name;

/// The sentence of an event; none of a type that is not known here.
pub fn of(event: &AuditEvent) -> Option<&'static str> {
    let (entity, verb) = name(event).split_once('.')?;
    let data = &event.data;
    Some(match entity {
        "org" => of_org(verb, data)?,
        "member" => of_member(verb, event)?,
        "handle" => of_handle(verb, data)?,
        "invitation" => of_invitation(verb)?,
        "session" => of_session(verb, event)?,
        "key" => of_key(verb, data)?,
        "project" => of_project(verb)?,
        "creator" => of_creator(verb)?,
        "video" => of_video(verb, data)?,
        "campaign" => of_campaign(verb)?,
        "goal" => of_goal(verb)?,
        "annotation" => of_annotation(verb)?,
        "webhook" => of_webhook(verb)?,
        "limit" if verb == "warned" => {
            "The limit “{limit_key:words}” is nearly reached: {current:number} of {max:number} are used"
        }
        "observation" if verb == "recorded" => "{readings:readings} were recorded",
        _ => return None,
    })
}

fn of_org(verb: &str, data: &Value) -> Option<&'static str> {
    Some(match verb {
        "created" => "{actor} created the organization {name} on the plan {plan}",
        "changed" => "{actor} changed the organization: {changes}",
        "plan_changed" => "{actor} changed the plan from {previous} to {plan}",
        "limit_changed" if data["value"].is_null() => {
            "{actor} set the limit “{limit_key:words}” back to the plan’s"
        }
        "limit_changed" => "{actor} set the limit “{limit_key:words}” to {value:number}",
        "suspended" if data["reason"].is_null() => "{actor} suspended the organization",
        "suspended" => "{actor} suspended the organization: {reason}",
        "reinstated" => "{actor} lifted the suspension of the organization",
        _ => return None,
    })
}

fn of_member(verb: &str, event: &AuditEvent) -> Option<&'static str> {
    Some(match verb {
        "joined" => "{user_id:person} joined as {role}",
        "role_changed" => "{actor} changed the role of {user_id:person} from {previous} to {role}",
        "removed" if is_by_that_person(event) => "{user_id:person} left the organization",
        "removed" => "{actor} removed {user_id:person} from the organization",
        "banned" if event.data["reason"].is_null() => "{actor} banned {user_id:person}",
        "banned" => "{actor} banned {user_id:person}: {reason}",
        "unbanned" => "{actor} lifted the ban of {user_id:person}",
        _ => return None,
    })
}

fn of_handle(verb: &str, data: &Value) -> Option<&'static str> {
    Some(match verb {
        "banned" if data["reason"].is_null() => {
            "{actor} forbade following {handle} on {platform:platform}"
        }
        "banned" => "{actor} forbade following {handle} on {platform:platform}: {reason}",
        "unbanned" => "{actor} allowed following {handle} on {platform:platform} again",
        _ => return None,
    })
}

fn of_invitation(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "created" => "{actor} invited someone as {role}",
        "accepted" => "{user_id:person} accepted an invitation",
        "declined" => "{actor} declined an invitation",
        "revoked" => "{actor} revoked an invitation",
        _ => return None,
    })
}

fn of_session(verb: &str, event: &AuditEvent) -> Option<&'static str> {
    Some(match verb {
        "opened" => "{user_id:person} signed in as {role}",
        "ended" => match event.data["reason"].as_str() {
            Some("requested") if is_by_that_person(event) => "{user_id:person} ended a session",
            Some("requested") => "{actor} ended a session of {user_id:person}",
            Some("replaced") => {
                "The oldest session of {user_id:person} ended to make room for another"
            }
            Some("demoted") => "A session of {user_id:person} ended, as their role was lowered",
            Some("member_removed") => {
                "A session of {user_id:person} ended, as they left the organization"
            }
            Some("password_changed") => {
                "A session of {user_id:person} ended, as the password was changed"
            }
            _ => "A session of {user_id:person} ended: {reason:words}",
        },
        _ => return None,
    })
}

fn of_key(verb: &str, data: &Value) -> Option<&'static str> {
    Some(match verb {
        "created" if data["replaces"].is_null() && is_one(&data["scopes"]) => {
            "{actor} created the key {subject} with the scope {scopes:list}"
        }
        "created" if data["replaces"].is_null() => {
            "{actor} created the key {subject} with the scopes {scopes:list}"
        }
        "created" => "{actor} created the key {subject} in place of {replaces:key}",
        "changed" => "{actor} changed the key {subject}: {changes}",
        "rotated" => "{actor} rotated the key {subject}; the old one works until {ends_at:moment}",
        "revoked" => match data["reason"].as_str() {
            Some("self_revoked") => "The key {subject} revoked itself",
            Some("rotated") => "{actor} revoked the key {subject} by rotating it",
            Some("member_removed") => "The key {subject} was revoked, as its owner left",
            _ => "{actor} revoked the key {subject}",
        },
        _ => return None,
    })
}

fn is_one(list: &Value) -> bool {
    list.as_array().is_some_and(|list| list.len() == 1)
}

fn of_project(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "added" => "{actor} created the project {subject}",
        "changed" => "{actor} changed the project {subject}: {changes}",
        "removed" => "{actor} removed the project {subject}",
        _ => return None,
    })
}

fn of_creator(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "added" => {
            "{actor} added the creator {subject} on {platform:platform} to {project_id:project}"
        }
        "changed" => "{actor} changed the creator {subject}: {changes}",
        "renamed" => "The creator {subject} is called {handle} now, and {previous} no more",
        "reactivated" => "{actor} added the creator {subject} again, with all that was known",
        "removed" => "{actor} removed the creator {subject}",
        "auto_disabled" => "Tracking of the creator {subject} stopped: {reason}",
        "reenabled" => "{actor} resumed tracking the creator {subject}",
        _ => return None,
    })
}

fn of_video(verb: &str, data: &Value) -> Option<&'static str> {
    Some(match verb {
        "added" => {
            "{actor} added the video {subject} on {platform:platform} to {project_id:project}"
        }
        "discovered" => match data["tracking_status"].as_str() {
            Some("pending_review") => {
                "The video {subject} on {platform:platform} was found and waits for review"
            }
            Some("auto_tracked") => {
                "The video {subject} on {platform:platform} was found and is tracked"
            }
            _ => "The video {subject} on {platform:platform} was found: {tracking_status:words}",
        },
        "changed" => "{actor} changed the video {subject}: {changes}",
        "promoted" => "{actor} added the video {subject} by its address, so it counts now",
        "reviewed" => match data["tracking_status"].as_str() {
            Some("included") => "{actor} approved the video {subject}",
            Some("excluded") => "{actor} excluded the video {subject}",
            _ => "{actor} reviewed the video {subject}: {tracking_status:words}",
        },
        "tracking_disabled" => match data["reason"].as_str() {
            Some("manual") => "{actor} stopped tracking the video {subject}",
            Some("expired") => "Tracking of the video {subject} stopped: it is old",
            Some("unavailable") => {
                "Tracking of the video {subject} stopped: the platform does not show it any more"
            }
            _ => "Tracking of the video {subject} stopped: {reason:words}",
        },
        "tracking_enabled" => "{actor} resumed tracking the video {subject}",
        "removed" => "{actor} removed the video {subject}",
        _ => return None,
    })
}

fn of_campaign(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "added" => "{actor} created the campaign {subject} in {project_id:project}",
        "changed" => "{actor} changed the campaign {subject}: {changes}",
        "removed" => "{actor} removed the campaign {subject}",
        "items_added" => "{actor} added {items:things} to the campaign {subject}",
        "items_removed" => "{actor} took {items:things} out of the campaign {subject}",
        _ => return None,
    })
}

fn of_goal(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "added" => {
            "{actor} set a {period} goal for {creator_id:creator}: {target_value:number} {metric}"
        }
        "changed" => "{actor} changed a goal: {changes}",
        "removed" => "{actor} removed a goal",
        _ => return None,
    })
}

fn of_annotation(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "added" => "{actor} annotated {date:day}: {label} ({kind})",
        "changed" => "{actor} changed an annotation: {changes}",
        "removed" => "{actor} removed an annotation",
        _ => return None,
    })
}

fn of_webhook(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "added" => "{actor} added a webhook to {url:host}",
        "changed" => "{actor} changed a webhook: {changes}",
        "removed" => "{actor} removed a webhook",
        "disabled" => "A webhook was switched off: {reason:words}",
        _ => return None,
    })
}

/// Whether the person it is about caused it.
fn is_by_that_person(event: &AuditEvent) -> bool {
    let caused_by = event.actor.strip_prefix("user:");
    caused_by.is_some() && caused_by == event.data["user_id"].as_str()
}
