//! The data model made from the objects themselves, so that it cannot differ from the answers.

use std::collections::BTreeMap;

use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    ArrayItems, KnownFormat, Object, Schema, SchemaFormat, SchemaType, Type,
};

use super::request::{
    AddCreator, AddVideo, ChangeAnnotation, ChangeApiKey, ChangeCampaign, ChangeCreator,
    ChangeGoal, ChangeMember, ChangeOrg, ChangeProject, ChangeVideo, CreateAnnotation,
    CreateApiKey, CreateCampaign, CreateGoal, CreateProject,
};
use super::schema::{
    EntitySchema, FieldSchema, MetricSchema, Named, RelationshipSchema, SchemaAnswer,
};
use super::{Annotation, ApiKey, CampaignWithFigures, Creator, Goal, Member, Org, Project, Video};
use crate::openapi::API_VERSION;

impl SchemaAnswer {
    /// The model, with the metrics that analytics answer.
    pub fn new(metrics: Vec<MetricSchema>) -> Self {
        let entities = Named(vec![
            (
                "org",
                entity::<Org>(
                    "A customer: all data belongs to one",
                    &[fields::<ChangeOrg>()],
                ),
            ),
            (
                "member",
                entity::<Member>(
                    "A person who belongs to the org; may belong to others too",
                    &[fields::<ChangeMember>()],
                ),
            ),
            (
                "api_key",
                entity::<ApiKey>(
                    "A credential of a program",
                    &[fields::<CreateApiKey>(), fields::<ChangeApiKey>()],
                ),
            ),
            (
                "project",
                entity::<Project>(
                    "What creators and videos belong to",
                    &[fields::<CreateProject>(), fields::<ChangeProject>()],
                ),
            ),
            (
                "creator",
                entity::<Creator>(
                    "A followed account, within one project",
                    &[fields::<AddCreator>(), fields::<ChangeCreator>()],
                ),
            ),
            (
                "video",
                entity::<Video>(
                    "A tracked video, within one project",
                    &[fields::<AddVideo>(), fields::<ChangeVideo>()],
                ),
            ),
            (
                "campaign",
                entity::<CampaignWithFigures>(
                    "A set of creators, videos and other campaigns of one project; each video \
                     counts once",
                    &[fields::<CreateCampaign>(), fields::<ChangeCampaign>()],
                ),
            ),
            (
                "goal",
                entity::<Goal>(
                    "What a creator is to reach in each day, week or month",
                    &[fields::<CreateGoal>(), fields::<ChangeGoal>()],
                ),
            ),
            (
                "annotation",
                entity::<Annotation>(
                    "A mark on the time axis",
                    &[fields::<CreateAnnotation>(), fields::<ChangeAnnotation>()],
                ),
            ),
        ]);
        Self {
            version: API_VERSION,
            entities,
            relationships: RELATIONSHIPS.to_vec(),
            metrics,
        }
    }
}

const RELATIONSHIPS: [RelationshipSchema; 8] = [
    relationship(
        "api_key",
        "member",
        "owner_id",
        "A key belongs to a member, whose user_id that is, or to the org alone",
    ),
    relationship("project", "org", "org_id", "A project belongs to an org"),
    relationship(
        "creator",
        "project",
        "project_id",
        "A creator is followed within a project; the same account may be in several",
    ),
    relationship(
        "video",
        "project",
        "project_id",
        "A video is tracked within a project",
    ),
    relationship(
        "video",
        "creator",
        "creator_id",
        "A video was found under a creator; a direct add has none",
    ),
    relationship(
        "campaign",
        "project",
        "project_id",
        "A campaign holds things of one project",
    ),
    relationship("goal", "creator", "creator_id", "A goal is a creator's"),
    relationship(
        "annotation",
        "project",
        "project_id",
        "A mark stands on a project's time axis",
    ),
];

const fn relationship(
    from: &'static str,
    to: &'static str,
    via: &'static str,
    description: &'static str,
) -> RelationshipSchema {
    RelationshipSchema {
        from,
        to,
        kind: "many_to_one",
        via,
        description,
    }
}

/// The named schemas that a type refers to.
type Known = BTreeMap<String, RefOr<Schema>>;

/// The fields of an object, in its order.
fn fields<T: ToSchema>() -> Vec<(String, RefOr<Schema>)> {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => object.properties.into_iter().collect(),
        _ => Vec::new(),
    }
}

fn entity<T: ToSchema>(
    description: &'static str,
    requests: &[Vec<(String, RefOr<Schema>)>],
) -> EntitySchema {
    let mut known = Vec::new();
    T::schemas(&mut known);
    let known: Known = known.into_iter().collect();
    let is_writable = |name: &str| {
        let mut sent = requests.iter().flatten();
        sent.any(|(field, _)| field == name)
    };
    let fields = fields::<T>().into_iter().map(|(name, schema)| {
        let field = FieldSchema {
            kind: kind_of(&schema, &known),
            nullable: is_nullable(&schema),
            writable: is_writable(&name),
            description: description_of(&schema),
        };
        (name, field)
    });
    EntitySchema {
        description,
        fields: Named(fields.collect()),
    }
}

fn kind_of(schema: &RefOr<Schema>, known: &Known) -> String {
    match schema {
        RefOr::Ref(reference) => {
            let name = reference
                .ref_location
                .rsplit('/')
                .next()
                .unwrap_or_default();
            known
                .get(name)
                .map_or_else(|| "object".to_owned(), |schema| kind_of(schema, known))
        }
        RefOr::T(Schema::Object(object)) => kind_of_object(object),
        RefOr::T(Schema::Array(array)) => match &array.items {
            ArrayItems::RefOrSchema(item) => format!("list of {}", kind_of(item, known)),
            ArrayItems::False => "list".to_owned(),
        },
        RefOr::T(Schema::OneOf(one)) => {
            let item = one.items.iter().find(|item| !is_nullable(item));
            item.map_or_else(|| "object".to_owned(), |item| kind_of(item, known))
        }
        RefOr::T(_) => "object".to_owned(),
    }
}

fn kind_of_object(object: &Object) -> String {
    if let Some(names) = &object.enum_values {
        let names: Vec<_> = names.iter().filter_map(|name| name.as_str()).collect();
        return names.join("|");
    }
    let first = match &object.schema_type {
        SchemaType::Type(one) => Some(one),
        SchemaType::Array(several) => several.iter().find(|one| **one != Type::Null),
        SchemaType::AnyValue => None,
    };
    match (first, &object.format) {
        (Some(Type::String), Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))) => "instant",
        (Some(Type::String), Some(SchemaFormat::KnownFormat(KnownFormat::Date))) => "date",
        (Some(Type::String), Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))) => "uuid",
        (Some(Type::String), _) => "string",
        (Some(Type::Integer), _) => "integer",
        (Some(Type::Number), _) => "number",
        (Some(Type::Boolean), _) => "boolean",
        _ => "object",
    }
    .to_owned()
}

fn is_nullable(schema: &RefOr<Schema>) -> bool {
    let has_null = |schema_type: &SchemaType| match schema_type {
        SchemaType::Type(one) => *one == Type::Null,
        SchemaType::Array(several) => several.contains(&Type::Null),
        SchemaType::AnyValue => false,
    };
    match schema {
        RefOr::T(Schema::Object(object)) => has_null(&object.schema_type),
        RefOr::T(Schema::Array(array)) => has_null(&array.schema_type),
        RefOr::T(Schema::OneOf(one)) => one.items.iter().any(is_nullable),
        _ => false,
    }
}

fn description_of(schema: &RefOr<Schema>) -> String {
    match schema {
        RefOr::Ref(reference) => reference.description.clone(),
        RefOr::T(Schema::Object(object)) => object.description.clone().unwrap_or_default(),
        RefOr::T(Schema::Array(array)) => array.description.clone().unwrap_or_default(),
        RefOr::T(Schema::OneOf(one)) => {
            let described = one.items.iter().map(description_of);
            one.description
                .clone()
                .or_else(|| described.into_iter().find(|text| !text.is_empty()))
                .unwrap_or_default()
        }
        RefOr::T(_) => String::new(),
    }
}
