//! Signing in with an OpenID Connect provider: the authorization code flow with PKCE, ended by the
//! service itself. What the provider says of a person is believed for one thing: that an address is
//! theirs. Whose account that is, and where they belong, is [`crate::people`]'s to say.
//!
//! Nothing is stored. A flow is sealed and kept by the browser (`flow`); the provider's document
//! and keys are kept for some minutes.

mod caller;
mod config;
mod flow;

use std::sync::Arc;
use std::time::Duration;

use domain::email::Email;
use domain::ids::SessionId;
use domain::time::Timestamp;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreErrorResponseType, CoreIdToken,
    CoreIdTokenClaims, CoreIdTokenVerifier, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::{
    AccessToken, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret,
    CsrfToken, DiscoveryError, EndUserEmail, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RequestTokenError, Scope, SignatureVerificationError, SubjectIdentifier, TokenResponse,
    UserInfoError,
};
use runtime::clock::{Clock, Monotonic};
use runtime::entropy::Entropy;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use thiserror::Error;
use tokio::sync::{Mutex, Semaphore};

pub use self::caller::CallError;
use self::caller::ProviderCaller;
pub use self::config::{InvalidIssuer, Issuer, OidcConfig};
pub use self::flow::{FLOW_CHARS, FLOW_SECONDS};
use self::flow::{Flow, Seal};
use crate::outgoing::{Guard, SystemLookup, client};

/// Where the provider sends people back to, below the service's public address.
const CALLBACK: &str = "/login/oidc/callback";
/// How long the provider may take for all that one request needs of it.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Requests that may ask the provider at once.
const PLACES: usize = 64;
/// Names that the system is asked about at once.
const LOOKUPS: usize = 8;
/// How long the provider's document and keys are kept. A new key is seen at once.
const KEPT_FOR: Duration = Duration::from_mins(10);
/// By what an ID token may be signed: keys that the provider alone has.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The provider as its document describes it, and its keys.
type Provider = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Signs in with a provider; cheap to clone.
#[derive(Clone)]
pub struct Oidc(Arc<Inner>);

struct Inner {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: ClientSecret,
    redirect: RedirectUrl,
    caller: ProviderCaller,
    seal: Seal,
    known: Mutex<Option<Known>>,
    places: Semaphore,
    clock: Clock,
    entropy: Entropy,
}

struct Known {
    provider: Arc<Provider>,
    at: Monotonic,
}

/// A sign-in that was begun.
pub struct Begun {
    /// Where the browser goes.
    pub authorization_url: String,
    /// What the browser keeps until it is back.
    pub flow: String,
}

/// Somebody who was at the provider.
pub struct Verified {
    /// The address that the provider has verified.
    pub email: Email,
    /// The session that this sign-in may open.
    pub session: SessionId,
}

/// Why nobody can sign in with a provider.
#[derive(Debug, Error)]
pub enum OidcConfigError {
    /// An issuer without a secret.
    #[error("--oidc-issuer is given, but not the client's secret: TGA_OIDC_CLIENT_SECRET")]
    NoSecret,
    /// Nobody could be sent back.
    #[error("people are sent back to --public-url, which is no address")]
    PublicUrl,
    /// No client can be made.
    #[error("the client of the OpenID Connect provider cannot be made")]
    Client(#[from] reqwest::Error),
}

/// Why a sign-in comes to nothing.
#[derive(Debug, Error)]
pub enum OidcError {
    /// It was not begun here, took too long, or the browser brought back something else.
    #[error("the sign-in was not begun here, or is over")]
    Flow,
    /// The provider does not know the code, any more or at all.
    #[error("the provider does not take the code")]
    Code,
    /// What the provider says is not to be believed.
    #[error("what the provider says of the person is not valid: {0}")]
    Claims(&'static str),
    /// Who it is, nobody knows.
    #[error("the provider has verified no address of the person")]
    NoAddress,
    /// Too many ask already.
    #[error("too many sign-ins wait for the provider")]
    Busy,
    /// The provider did not answer in time.
    #[error("the provider did not answer in time")]
    Late,
    /// There was no answer.
    #[error("the provider cannot be asked")]
    Call(#[source] CallError),
    /// What the provider answers is not what OpenID Connect has there. What it was is not told: there
    /// may be secrets in it.
    #[error("the provider {0}")]
    Provider(&'static str),
}

impl Oidc {
    /// Of the provider that the operator names, if any; `public_url` is without a slash at its end.
    ///
    /// # Errors
    /// [`OidcConfigError`]
    pub fn try_new(
        config: &OidcConfig,
        client_secret: Option<&SecretString>,
        public_url: &str,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<Option<Self>, OidcConfigError> {
        let (Some(issuer), Some(client_id)) = (&config.issuer, &config.client_id) else {
            return Ok(None);
        };
        let secret = client_secret.ok_or(OidcConfigError::NoSecret)?;
        let secret = secret.expose_secret();
        let redirect = RedirectUrl::new(format!("{public_url}{CALLBACK}"));
        let guard = Guard::new(&config.allow);
        let lookup = Arc::new(SystemLookup::new(LOOKUPS));
        Ok(Some(Self(Arc::new(Inner {
            seal: Seal::new(issuer.as_str(), client_id, secret),
            issuer: issuer.url(),
            client_id: ClientId::new(client_id.clone()),
            client_secret: ClientSecret::new(secret.to_owned()),
            redirect: redirect.map_err(|_| OidcConfigError::PublicUrl)?,
            caller: ProviderCaller {
                client: client(&guard, lookup, config.ca_file.as_ref())?,
                guard,
            },
            known: Mutex::default(),
            places: Semaphore::new(PLACES),
            clock,
            entropy,
        }))))
    }

    /// Begins a sign-in.
    ///
    /// # Errors
    /// [`OidcError`]
    pub async fn begin(&self) -> Result<Begun, OidcError> {
        let provider = self.within(self.provider(None)).await?;
        let flow = Flow::begin(self.now(), &self.0.entropy);
        let verifier = PkceCodeVerifier::new(flow.verifier.clone());
        let (state, nonce) = (flow.state.clone(), flow.nonce.clone());
        let (url, ..) = provider
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                || CsrfToken::new(state),
                || Nonce::new(nonce),
            )
            .add_scope(Scope::new("email".to_owned()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(Begun {
            authorization_url: url.into(),
            flow: self.0.seal.seal(&flow, &self.0.entropy),
        })
    }

    /// Ends a sign-in with what the browser brought back: who it is that was at the provider.
    ///
    /// # Errors
    /// [`OidcError`]
    pub async fn finish(
        &self,
        code: AuthorizationCode,
        state: &str,
        flow: &str,
    ) -> Result<Verified, OidcError> {
        let flow = self.0.seal.open(flow, self.now());
        let is_its = |flow: &Flow| flow.state.as_bytes().ct_eq(state.as_bytes()).into();
        let flow = flow.filter(is_its);
        let flow = flow.ok_or(OidcError::Flow)?;
        let email = self.within(self.verified_email(code, &flow)).await?;
        Ok(Verified {
            email,
            session: flow.session,
        })
    }

    async fn verified_email(
        &self,
        code: AuthorizationCode,
        flow: &Flow,
    ) -> Result<Email, OidcError> {
        let provider = self.provider(None).await?;
        let token = self.exchange(&provider, code, flow).await?;
        let id_token = token.id_token();
        let id_token = id_token.ok_or(OidcError::Provider("gives no ID token"))?;
        let nonce = Nonce::new(flow.nonce.clone());
        let claims = match self.claims(&provider, id_token, &nonce) {
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {
                let provider = self.provider(Some(&provider)).await?;
                self.claims(&provider, id_token, &nonce)
            }
            claims => claims,
        };
        let claims = claims.map_err(|error| unbelievable(&error))?;
        if let (Some(email), Some(is_verified)) = (claims.email(), claims.email_verified()) {
            return address(Some(email), is_verified);
        }
        let (token, subject) = (token.access_token().clone(), claims.subject().clone());
        let told = self.ask(&provider, token, subject).await?;
        address(told.email(), told.email_verified().unwrap_or(false))
    }

    async fn exchange(
        &self,
        provider: &Provider,
        code: AuthorizationCode,
        flow: &Flow,
    ) -> Result<CoreTokenResponse, OidcError> {
        let request = provider.exchange_code(code);
        let request =
            request.map_err(|_| OidcError::Provider("names no endpoint that takes codes"))?;
        let verifier = PkceCodeVerifier::new(flow.verifier.clone());
        let exchanged = request.set_pkce_verifier(verifier);
        let exchanged = exchanged.request_async(&self.0.caller).await;
        exchanged.map_err(|error| match error {
            RequestTokenError::ServerResponse(refusal) => match refusal.error() {
                CoreErrorResponseType::InvalidGrant => OidcError::Code,
                CoreErrorResponseType::InvalidClient => {
                    OidcError::Provider("does not take this service's id and secret")
                }
                _ => OidcError::Provider("gives no token for a code"),
            },
            RequestTokenError::Request(error) => OidcError::Call(error),
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                OidcError::Provider("answers a code in a way that cannot be read")
            }
        })
    }

    fn claims<'a>(
        &self,
        provider: &Provider,
        id_token: &'a CoreIdToken,
        nonce: &Nonce,
    ) -> Result<&'a CoreIdTokenClaims, ClaimsVerificationError> {
        let clock = self.0.clock.clone();
        let verifier: CoreIdTokenVerifier<'_> = provider.id_token_verifier();
        let verifier = verifier
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || clock.now());
        id_token.claims(&verifier, nonce)
    }

    /// What the ID token does not say, the provider may say when it is asked.
    async fn ask(
        &self,
        provider: &Provider,
        token: AccessToken,
        subject: SubjectIdentifier,
    ) -> Result<CoreUserInfoClaims, OidcError> {
        let request = provider.user_info(token, Some(subject));
        let request = request.map_err(|_| OidcError::NoAddress)?;
        let told = request.request_async(&self.0.caller).await;
        told.map_err(|error| match error {
            UserInfoError::ClaimsVerification(error) => unbelievable(&error),
            UserInfoError::Request(error) => OidcError::Call(error),
            _ => OidcError::Provider("says of the person what cannot be read"),
        })
    }

    /// The provider as it was described lately, and not as it is in `unfit`.
    async fn provider(&self, unfit: Option<&Arc<Provider>>) -> Result<Arc<Provider>, OidcError> {
        let mut known = self.0.known.lock().await;
        let now = self.0.clock.monotonic();
        if let Some(known) = &*known
            && now.saturating_since(known.at) < KEPT_FOR
            && unfit.is_none_or(|unfit| !Arc::ptr_eq(unfit, &known.provider))
        {
            return Ok(Arc::clone(&known.provider));
        }
        let provider = Arc::new(self.discover().await?);
        *known = Some(Known {
            provider: Arc::clone(&provider),
            at: now,
        });
        Ok(provider)
    }

    async fn discover(&self) -> Result<Provider, OidcError> {
        let inner = &*self.0;
        let described =
            CoreProviderMetadata::discover_async(inner.issuer.clone(), &inner.caller).await;
        let described = described.map_err(|error| match error {
            DiscoveryError::Request(error) => OidcError::Call(error),
            DiscoveryError::Validation(_) => {
                OidcError::Provider("calls itself otherwise than --oidc-issuer does")
            }
            _ => OidcError::Provider("describes itself in a way that cannot be read"),
        })?;
        let scheme = described.authorization_endpoint().url().scheme();
        if scheme != "https" && scheme != inner.issuer.url().scheme() {
            return Err(OidcError::Provider(
                "sends people to where no TLS is spoken",
            ));
        }
        let auth_type = auth_type(&described);
        let secret = Some(inner.client_secret.clone());
        let provider =
            CoreClient::from_provider_metadata(described, inner.client_id.clone(), secret);
        Ok(provider
            .set_auth_type(auth_type)
            .set_redirect_uri(inner.redirect.clone()))
    }

    /// Asks, if there is a place, and not for ever.
    async fn within<T>(
        &self,
        asking: impl Future<Output = Result<T, OidcError>>,
    ) -> Result<T, OidcError> {
        let _place = self.0.places.try_acquire().map_err(|_| OidcError::Busy)?;
        let asked = self.0.clock.timeout(ANSWER_WITHIN, Box::pin(asking)).await;
        asked.unwrap_or(Err(OidcError::Late))
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_datetime(self.0.clock.now())
    }
}

/// How the service shows the provider who it is: in the header, unless the provider knows only bodies.
fn auth_type(described: &CoreProviderMetadata) -> AuthType {
    let methods = described.token_endpoint_auth_methods_supported();
    let knows = |method| methods.is_none_or(|methods| methods.contains(&method));
    if knows(CoreClientAuthMethod::ClientSecretBasic)
        || !knows(CoreClientAuthMethod::ClientSecretPost)
    {
        AuthType::BasicAuth
    } else {
        AuthType::RequestBody
    }
}

fn address(email: Option<&EndUserEmail>, is_verified: bool) -> Result<Email, OidcError> {
    let email = email.filter(|_| is_verified);
    let email = email.and_then(|email| Email::parse(email).ok());
    email.ok_or(OidcError::NoAddress)
}

/// What is wrong, without what was said: that is about a person.
fn unbelievable(error: &ClaimsVerificationError) -> OidcError {
    OidcError::Claims(match error {
        ClaimsVerificationError::Expired(_) => "it is over",
        ClaimsVerificationError::InvalidAudience(_) => "it is meant for another",
        ClaimsVerificationError::InvalidIssuer(_) => "it is another's",
        ClaimsVerificationError::InvalidNonce(_) => "it is of another sign-in",
        ClaimsVerificationError::InvalidSubject(_) => "it is about another",
        ClaimsVerificationError::SignatureVerification(_) => "its signature",
        _ => "its form",
    })
}
