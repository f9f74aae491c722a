"use strict";

// The document names the hosted service first; this page may ask no host but its own.
const askThisHost = () => ({
  statePlugins: {
    spec: {
      wrapActions: {
        updateJsonSpec: (update) => (spec) => {
          const servers = (spec.servers ?? []).filter(({ url }) => url.startsWith("/"));
          return update({ ...spec, servers });
        },
      },
    },
  },
});

SwaggerUIBundle({
  url: "/api/v1/openapi.json",
  dom_id: "#reference",
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [askThisHost],
  layout: "BaseLayout",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  // A key that is typed in is forgotten with the page.
  persistAuthorization: false,
  // Nobody else is asked whether the document is valid.
  validatorUrl: null,
});
